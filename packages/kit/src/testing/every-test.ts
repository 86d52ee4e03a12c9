/** Whether to run long tests, too, which take more time than a run of CI has: `RESIDUAL_TESTS=all`, `pnpm test:all`. */
export const everyTest = process.env.RESIDUAL_TESTS === "all";
