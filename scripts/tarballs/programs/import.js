import entries from "./entries.cjs";

for (const entry of entries) await import(entry);
console.log("imported");
