"""How reports look: the CSS of every page, for a frame 400 pixels wide, a phone, and a tab of its own."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2420; background: #fff; margin: 0 auto; padding: 16px;
  max-width: 960px; overflow-wrap: break-word; }
h1 { font-size: 1.4em; line-height: 1.25; margin: 0 0 .5em; }
h2 { font-size: 1.1em; margin: 1.8em 0 .5em; padding-top: .6em; border-top: 1px solid #d9e0db; }
h3 { font-size: 1em; margin: 1.2em 0 .4em; }
h3 small { font-weight: 400; color: #5a665f; overflow-wrap: anywhere; }
p { margin: .5em 0; max-width: 72ch; }
.scroll { overflow-x: auto; }
.scroll + .scroll { margin-top: 1em; }
table { border-collapse: collapse; font-size: .9em; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .6em; text-align: right; vertical-align: top; border-bottom: 1px solid #e6ebe7; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
td.text { text-align: left; overflow-wrap: anywhere; }
td:first-child:has(+ td.text) { min-width: 6.2em; }
th.text { text-align: left; }
th { font-weight: 600; color: #47544c; vertical-align: bottom; }
.heat { font-size: .82em; }
.heat td { text-align: center; vertical-align: middle; border: 1px solid #fff; padding: .3em .2em; min-width: 2.3em; }
.heat td:first-child, .heat th:first-child { text-align: left; padding-left: 0; }
.heat th { vertical-align: bottom; text-align: center; padding: .3em .1em; }
.heat th span { writing-mode: vertical-rl; transform: rotate(180deg); }
.legend i { display: inline-block; width: .8em; height: .8em; margin: 0 .35em 0 0; }
.legend span { display: inline-block; margin-right: 1.2em; overflow-wrap: anywhere; }
.beside { display: flex; flex-wrap: wrap; gap: 0 24px; align-items: center; }
.beside > figure { flex: 1 1 340px; min-width: 0; max-width: 600px; }
.beside > .legend { flex: 1 1 180px; }
.beside > .legend span { display: block; }
figure { margin: .8em 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: .85em; color: #5a665f; margin-top: .3em; }
table.bars { width: 100%; max-width: 640px; }
table.bars { table-layout: fixed; }
.bars th { width: 36%; font-weight: 400; text-align: left; white-space: normal; overflow-wrap: anywhere; }
.bars td { padding: .2em 0; }
.bars td:last-child { width: 5em; }
.bars div { display: flex; height: 1.1em; }
td small { display: block; color: #5a665f; font-size: .8em; line-height: 1.2; }
details { border-top: 1px solid #e6ebe7; padding: .3em 0; }
summary { cursor: pointer; font-weight: 600; }
summary small { font-weight: 400; color: #5a665f; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(136px, 1fr)); gap: 8px; }
.gallery.wide { max-width: 1100px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 170px), 1fr)); }
.gallery figure { margin: 0; }
.gallery img { width: 100%; border: 1px solid #d9e0db; }
figcaption { overflow-wrap: anywhere; }
@media (max-width: 600px) {
  .stacked tr { display: grid; grid-template-columns: var(--columns); }
  .stacked th, .stacked td { padding: .15em .1em; border-bottom: 0; }
  .stacked tr { border-bottom: 1px solid #e6ebe7; padding: .2em 0; }
  .stacked td:first-child { grid-column: 1 / -1; font-weight: 600; }
  .stacked th:first-child { display: none; }
}
@media (max-width: 470px) {
  body { padding: 12px; }
  table { font-size: .84em; }
  th, td { padding: .25em .35em; }
  .heat { font-size: .72em; }
  .heat td { padding: .3em .05em; min-width: 0; }
  .gallery:not(.wide) { grid-template-columns: repeat(auto-fill, minmax(108px, 1fr)); }
}
/* Two reports side by side on the page that compares runs: a table that does not fit scrolls. */
@media (max-width: 360px) {
  td:first-child { min-width: 8em; }
  td:not(:first-child):not(.text) { white-space: nowrap; }
  .heat td:first-child { min-width: 0; }
}
"""
