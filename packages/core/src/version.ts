/** Residual's version: all its packages are released together, under one number. */
export const version: string = "0.1.0";
