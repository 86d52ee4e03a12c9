import { type Preprocessing, variants } from "@residual/core";

/** The preprocessing of torchvision's ImageNet models for evaluation. */
export const imagenet: Preprocessing = variants.resnet50.preprocessing;

/** CIFAR-10's own mean and deviation, for images that are 32 x 32 or become so. */
export const cifar10: Preprocessing = variants.cifar_resnet20.preprocessing;

/** Raw bytes, 0 to 255, neither divided nor normalized: MLPerf Tiny's ResNet-8. */
export const raw32: Preprocessing = variants.mlperf_tiny_resnet8.preprocessing;
