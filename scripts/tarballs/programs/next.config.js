export default { serverExternalPackages: ["residual"] };
