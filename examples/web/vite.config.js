import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const root = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

// With these a page may share memory between threads; without them it works too, on one thread.
const headers = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
    base: "./", // so that the built folder works under any address
    assetsInclude: ["**/*.onnx"],
    // ONNX Runtime's own file beside ours, not inlined: its threads load it a second time.
    resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "browser", "module"] },
    worker: { format: "es" },
    build: { outDir: root("target/web"), emptyOutDir: true, assetsInlineLimit: 0, target: "es2022" },
    preview: { headers, port: 8000, strictPort: true },
    server: { headers, fs: { allow: [root(".")] } },
});
