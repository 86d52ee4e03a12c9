throw new Error(
  "The Node.js native addon module (tfjs_binding.node) can not be found at path: /somewhere/lib/napi-v8/tfjs_binding.node. \nPlease run command 'npm rebuild @tensorflow/tfjs-node --build-addon-from-source' to rebuild the native addon module.",
);

export {};
