/** That of package.json, which a browser cannot read; a test holds the two together. */
export const version: string = "0.1.0";
