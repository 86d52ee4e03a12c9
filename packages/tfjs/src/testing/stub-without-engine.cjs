const tf = require("@tensorflow/tfjs-core");

module.exports = { ...tf, version: { "tfjs-core": tf.version_core, "tfjs-node": tf.version_core } };
