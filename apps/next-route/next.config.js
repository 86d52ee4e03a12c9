/** Residual finds its weights and its threads beside its own files: it is not bundled. */
export default { serverExternalPackages: ["residual"] };
