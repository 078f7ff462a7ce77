// One ES module and one style sheet, into the Python package. The size is a promise: every widget may be saved with it.
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const LARGEST = 100_000;
const out = fileURLToPath(new URL("../fusion_nb/static/", import.meta.url));

await build({
  entryPoints: { panel: fileURLToPath(new URL("src/index.ts", import.meta.url)) },
  outfile: `${out}panel.js`,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
});
await build({
  entryPoints: [fileURLToPath(new URL("src/panel.css", import.meta.url))],
  outfile: `${out}panel.css`,
  minify: true,
  target: "esnext",
});

for (const name of ["panel.js", "panel.css"]) {
  const { size } = statSync(out + name);
  console.log(`${name}: ${size} bytes`);
  if (size > LARGEST) throw new Error(`${name} has ${size} bytes; at most ${LARGEST} are promised`);
}
