throw Object.assign(new Error("libtensorflow.so.2: cannot open shared object file: No such file or directory"), {
  code: "ERR_DLOPEN_FAILED",
});

export {};
