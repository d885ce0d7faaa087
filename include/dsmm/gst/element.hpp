// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <concepts>
#include <exception>
#include <span>
#include <type_traits>

#include "dsmm/config.hpp"

/// Elements and pads as plain C++ classes, in headers. A class `T` becomes a GObject type if it has
///
///   using base_instance = GstBaseTransform;               the C instance it extends
///   using base_class = GstBaseTransformClass;
///   static constexpr const char* type_name = "Dsmm0Infer";  "Dsmm" + ABI number + name
///   static GType base_type();
///   static std::span<const property<T>> properties();
///   static void describe(base_class* klass);              metadata, pad templates, override_vfunc<>()
///   explicit T(base_instance* self) noexcept;
///
/// and optionally `static void add_interfaces(GType type)`. It is then available as type_of<T>(), and its object is
/// created and destroyed with the GObject.
namespace dsmm::inline DSMM_ABI::gst {

/// One property: what it is, how it is written and read. `set` is null for a read-only one. Both run on any thread,
/// so they lock what the streaming thread also uses; the object lock is free for that.
template <class T>
struct property {
  GParamSpec* (*spec)();
  void (*set)(T&, const GValue*);
  void (*get)(T&, GValue*);
};

inline constexpr auto property_flags =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
inline constexpr auto property_flags_playing =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
inline constexpr auto property_flags_readable = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

template <class T>
concept object_class = requires(typename T::base_class* klass) {
  { T::type_name } -> std::convertible_to<const char*>;
  { T::base_type() } -> std::same_as<GType>;
  { T::properties() } -> std::same_as<std::span<const property<T>>>;
  T::describe(klass);
}
&&std::is_nothrow_constructible_v<T, typename T::base_instance*>;

/// What GObject allocates: the parent's struct and one pointer.
template <class T>
struct instance {
  typename T::base_instance base;
  T* object;
};

/// The C++ object behind a GObject of type_of<T>(), or of a class derived from it.
template <class T>
T& object_of(gpointer self) noexcept {
  return *static_cast<instance<T>*>(self)->object;
}

/// Class of the parent type, to chain up to.
template <class T>
inline typename T::base_class* parent_class = nullptr;

/// The debug category of all elements: GST_DEBUG=dsmm:6.
inline GstDebugCategory* debug_category() noexcept {
  static GstDebugCategory* const category = _gst_debug_category_new("dsmm", 0, "dsmm elements");
  return category;
}

/// Reports an exception that reached the C boundary. The pipeline stops; the process goes on.
inline void post_exception(gpointer self, const char* what) noexcept {
  GstObject* object = GST_OBJECT(gst_object_ref(self));
  while (object != nullptr && !GST_IS_ELEMENT(object)) {
    GstObject* const parent = gst_object_get_parent(object);
    gst_object_unref(object);
    object = parent;
  }
  if (object == nullptr) return;
  GST_ELEMENT_ERROR(object, LIBRARY, FAILED, ("Restart the pipeline; if this comes back, report it with this text."),
                    ("exception: %s", what));
  gst_object_unref(object);
}

/// What a class function answers when it failed.
template <class R>
R failed() noexcept {
  if constexpr (std::is_same_v<R, GstFlowReturn>) return GST_FLOW_ERROR;
  else if constexpr (std::is_same_v<R, GstStateChangeReturn>) return GST_STATE_CHANGE_FAILURE;
  else if constexpr (std::is_same_v<R, GstClockTime>) return GST_CLOCK_TIME_NONE;
  else return R();
}

template <class Member>
struct member_owner;
template <class T, class R, class... A>
struct member_owner<R (T::*)(A...)> {
  using type = T;
};
template <class T, class R, class... A>
struct member_owner<R (T::*)(A...) noexcept> {
  using type = T;
};

/// Puts a member function into a slot of a class struct: override_vfunc<&fuse::aggregate>(klass->aggregate).
/// An exception becomes an element error and the slot's failure value; none crosses into C.
template <auto Member, class R, class Self, class... A>
void override_vfunc(R (*&slot)(Self*, A...)) noexcept {
  using T = typename member_owner<decltype(Member)>::type;
  slot = [](Self* self, A... arguments) -> R {
    try {
      return (object_of<T>(self).*Member)(arguments...);
    } catch (const std::exception& error) {
      post_exception(self, error.what());
    } catch (...) {
      post_exception(self, "unknown");
    }
    return failed<R>();
  };
}

/// A member function as the function of a pad, whose parent is the element:
/// gst_pad_set_chain_function(pad, (pad_function<&fuse::chain>)), with `GstFlowReturn chain(GstPad*, GstBuffer*)`.
template <auto Member>
struct pad_call;
template <class T, class R, class... A, R (T::*Member)(GstPad*, A...)>
struct pad_call<Member> {
  static R call(GstPad* pad, GstObject* parent, A... arguments) {
    try {
      return (object_of<T>(parent).*Member)(pad, arguments...);
    } catch (const std::exception& error) {
      post_exception(parent, error.what());
    } catch (...) {
      post_exception(parent, "unknown");
    }
    return failed<R>();
  }
};
template <auto Member>
inline constexpr auto pad_function = &pad_call<Member>::call;

/// The class functions that every type has: lifetime and properties.
template <object_class T>
struct class_functions {
  static void init(gpointer klass, gpointer) {
    parent_class<T> = static_cast<typename T::base_class*>(g_type_class_peek_parent(klass));
    auto* const object_klass = G_OBJECT_CLASS(klass);
    object_klass->finalize = finalize;
    object_klass->set_property = set_property;
    object_klass->get_property = get_property;
    guint id = 0;
    for (const property<T>& row : T::properties()) g_object_class_install_property(object_klass, ++id, row.spec());
    T::describe(static_cast<typename T::base_class*>(klass));
  }

  static void create(GTypeInstance* self, gpointer) {
    auto* const typed = reinterpret_cast<instance<T>*>(self);
    typed->object = new T(&typed->base);
  }

  static void finalize(GObject* self) {
    delete reinterpret_cast<instance<T>*>(self)->object;
    G_OBJECT_CLASS(parent_class<T>)->finalize(self);
  }

  static void set_property(GObject* self, guint id, const GValue* value, GParamSpec*) {
    try {
      T::properties()[id - 1].set(object_of<T>(self), value);
    } catch (const std::exception& error) {
      post_exception(self, error.what());
    }
  }

  static void get_property(GObject* self, guint id, GValue* value, GParamSpec*) {
    try {
      T::properties()[id - 1].get(object_of<T>(self), value);
    } catch (const std::exception& error) {
      post_exception(self, error.what());
    }
  }
};

/// The GType of T, registered on first use. A process may hold two copies of these headers, the loadable plugin and
/// a program that registers its elements itself; the name then belongs to the first, and the second uses it.
template <object_class T>
GType type_of() {
  static const GType type = [] {
    if (const GType known = g_type_from_name(T::type_name); known != 0) return known;
    GTypeInfo info{};
    info.class_size = sizeof(typename T::base_class);
    info.class_init = class_functions<T>::init;
    info.instance_size = sizeof(instance<T>);
    info.instance_init = class_functions<T>::create;
    const GType made = g_type_register_static(T::base_type(), T::type_name, &info, static_cast<GTypeFlags>(0));
    if constexpr (requires { T::add_interfaces(made); }) T::add_interfaces(made);
    return made;
  }();
  return type;
}

}  // namespace dsmm::inline DSMM_ABI::gst
