for (const entry of require("./entries.cjs")) require(entry);
console.log("required");
