/** What make.ts writes, as wrangler and workerd give it. */
declare module "*.wasm" {
  const module: object;
  export default module;
}
declare module "*.bin" {
  const bytes: ArrayBuffer;
  export default bytes;
}
