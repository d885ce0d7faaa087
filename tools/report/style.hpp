// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::report {

/// Style of every report: one file without anything to load, light or dark as the reader's system, also on paper.
inline constexpr const char* style = R"css(
:root{--bg:#f4f6f8;--card:#fff;--ink:#17212b;--soft:#5c6b7a;--line:#dfe5eb;--image:#3b7dd8;--series:#9a5fd0;--joint:#0e9384;
--pass:#16855b;--fail:#cf3b2e;--unknown:#b97a00;--shade:#0e938418}
@media(prefers-color-scheme:dark){:root{--bg:#0f151b;--card:#18212a;--ink:#e8eef4;--soft:#97a6b5;--line:#2b3845;--image:#6aa5f2;
--series:#bd8bea;--joint:#2fc4b2;--pass:#3fc98f;--fail:#ff7163;--unknown:#eeb443;--shade:#2fc4b226}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}header{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 18px;margin-bottom:6px}
h1{font-size:27px;margin:0;letter-spacing:-.01em}h2{font-size:18px;margin:34px 0 4px}p{margin:4px 0 12px;max-width:78ch}.soft{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:12px;margin:18px 0}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:10px}.tile{padding:12px 14px}
.tile b{display:block;white-space:nowrap;font-size:20px;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:13px}
.card{padding:14px 16px;margin:10px 0}.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:12px}.two .card{margin:0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{padding:6px 10px;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}th{font-size:13px;color:var(--soft);font-weight:600}tr:last-child td{border-bottom:0}tr.sum td{font-weight:650}
tr.head td{font-size:13px;color:var(--soft);font-weight:600;text-align:left;padding-top:14px}.good-number{color:var(--pass);font-weight:650}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:12px}.item{padding:0;overflow:hidden;margin:0}
.item img{display:block;width:100%}.item .text{padding:10px 12px}.item h3{font-size:15px;margin:0 0 2px;display:flex;justify-content:space-between;gap:8px}
.badge{font-size:12px;font-weight:700;padding:1px 8px;border-radius:20px;color:#fff;align-self:center;white-space:nowrap}
.badge.PASS{background:var(--pass)}.badge.FAIL{background:var(--fail)}.badge.UNKNOWN{background:var(--unknown)}.wrong{outline:2px solid var(--fail)}
code,pre{font:13px/1.5 ui-monospace,"DejaVu Sans Mono",monospace}pre{overflow-x:auto;margin:0;white-space:pre-wrap}
svg{display:block;width:100%;height:auto}svg .t{font:11px system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--soft)}svg .strong{fill:var(--ink);font-weight:650}
svg .halo{paint-order:stroke;stroke:var(--card);stroke-width:3px}svg .grid{stroke:var(--line)}svg .axis{stroke:var(--soft)}
svg .mark{stroke:var(--ink);stroke-dasharray:4 3;opacity:.7}svg .image{fill:var(--image)}svg .series{fill:var(--series)}svg .joint{fill:var(--joint)}
svg .plot{fill:none;stroke:var(--line)}svg .stroke{fill:var(--shade)}svg .curve{fill:none;stroke-width:1.2;stroke-linejoin:round}
svg .image-line{stroke:var(--image)}svg .series-line{stroke:var(--series)}svg .joint-line{stroke:var(--joint)}
svg .dot-good{fill:var(--pass);opacity:.55}svg .dot-image{fill:var(--image);opacity:.8}svg .dot-sensor{fill:var(--series);opacity:.8}svg .dot-both{fill:var(--fail);opacity:.85}
.key{display:inline-block;width:10px;height:10px;border-radius:50%;margin:0 5px 0 12px}
@media print{.item{break-inside:avoid}}
)css";

}  // namespace dsmm::inline DSMM_ABI::report
