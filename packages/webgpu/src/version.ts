/** This package's version, as its package.json has it (a test compares them). */
export const version: string = "0.1.0";
