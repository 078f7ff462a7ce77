// One ES module and one style sheet, into the Python package. The size is a promise: every widget may be saved with it.
// The licences of what is bundled go to THIRD-PARTY-LICENSES.txt, which every wheel carries beside our own.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const LARGEST = 100_000;
const here = fileURLToPath(new URL("./", import.meta.url));
const out = fileURLToPath(new URL("../fusion_nb/static/", import.meta.url));

const { metafile } = await build({
  entryPoints: { panel: `${here}src/index.ts` },
  outfile: `${out}panel.js`,
  absWorkingDir: here,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  jsx: "automatic",
  jsxImportSource: "preact",
});
await build({
  entryPoints: [`${here}src/panel.css`],
  outfile: `${out}panel.css`,
  minify: true,
  target: "esnext",
});
writeFileSync(`${here}../THIRD-PARTY-LICENSES.txt`, notices(Object.keys(metafile.inputs)));

for (const name of ["panel.js", "panel.css"]) {
  const { size } = statSync(out + name);
  console.log(`${name}: ${size} bytes`);
  if (size > LARGEST) throw new Error(`${name} has ${size} bytes; at most ${LARGEST} are promised`);
}

/** The notice and the licence of every package that one of the bundled files comes from. */
function notices(files) {
  const packages = new Map();
  for (const file of files) {
    const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
    if (!folder) continue;
    const comment = /\/\*!\s*(@license[\s\S]*?)\s*\*\//.exec(readFileSync(here + file, "utf8"))?.[1] ?? "";
    packages.set(folder, packages.get(folder) || comment);
  }
  const parts = [...packages].sort().map(([folder, comment]) => {
    const { name, version, license } = JSON.parse(readFileSync(`${here}${folder}/package.json`, "utf8"));
    const text = readFileSync(`${here}${folder}/LICENSE`, "utf8").trim();
    const title = `${name} ${version}: ${license.replace(/^\((.*)\)$/, "$1")}`;
    return [title, comment.replace(/^@license\s*/, ""), text].filter(Boolean).join("\n\n");
  });
  const head = "The panel (fusion_nb/static/panel.js) contains these packages. Written by `js/build.mjs`.";
  return `${[head, ...parts].join(`\n\n${"=".repeat(80)}\n\n`)}\n`;
}
