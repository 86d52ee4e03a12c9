export * from "@residual/pipeline";
