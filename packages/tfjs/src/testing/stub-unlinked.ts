/** What the linker says of an addon stands in the query. */
const said = decodeURIComponent(new URL(import.meta.url).search.slice(1));
throw Object.assign(new Error(said), { code: "ERR_DLOPEN_FAILED" });

export {};
