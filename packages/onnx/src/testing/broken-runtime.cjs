// A runtime whose native library is missing, for `backend.test.ts`.
throw new Error("libonnxruntime.so.1: cannot open shared object file");
