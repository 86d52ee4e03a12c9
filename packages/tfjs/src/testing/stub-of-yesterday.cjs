module.exports = { version: { "tfjs-core": "4.10.0", "tfjs-node": "4.10.0" }, version_core: "4.10.0" };
