# dsmm_add_compiled(FOLDER): dsmm::compiled, the definitions and operators compiled once; a unit that links it pays for
# declarations alone. Built with the flags of the project that asks for it, so that both agree on the ABI tag.
function(dsmm_add_compiled folder)
  if(TARGET dsmm::compiled)
    return()
  endif()
  set(units conv_u8s4 conv_u8s8 direct_f32 dwconv_u8s8 file gemm_f32 general_ops inspector model ops session)
  list(TRANSFORM units PREPEND ${folder}/)
  list(TRANSFORM units APPEND .cpp)
  add_library(dsmm_compiled STATIC EXCLUDE_FROM_ALL ${units})
  add_library(dsmm::compiled ALIAS dsmm_compiled)
  target_link_libraries(dsmm_compiled PUBLIC dsmm::dsmm)
  target_compile_definitions(dsmm_compiled PUBLIC DSMM_COMPILED=1)
  set_target_properties(dsmm_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
  # Importing and quantizing, for products that do so themselves.
  add_library(dsmm_convert STATIC EXCLUDE_FROM_ALL ${folder}/onnx_import.cpp ${folder}/quantize.cpp)
  add_library(dsmm::convert ALIAS dsmm_convert)
  target_link_libraries(dsmm_convert PUBLIC dsmm_compiled)
endfunction()
