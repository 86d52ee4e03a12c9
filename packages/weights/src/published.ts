import type { Preprocessing } from "@residual/core";

/** Published weights that are evaluated alike, by the names that people know them by. */
interface Recipe {
  readonly preprocessing: Preprocessing;
  /** Names of files, without their ending: the model's name, and eight digits of the file's SHA-256. */
  readonly torchvision?: readonly string[];
  /**
   * Names at timm, of the model and the training; the file that the weights were first published as, where there is
   * one.
   */
  readonly timm?: Readonly<Record<string, string>>;
}

const imagenet = { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const halves = { scale: 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/**
 * What the published accuracy of ImageNet weights was measured with. Sources: torchvision, models/resnet.py, the
 * transforms of its weights; timm (commit aa4b5850), default_cfgs and results-imagenet.csv, at the size that the
 * accuracy is given for.
 */
const recipes: readonly Recipe[] = [
  {
    preprocessing: { resize: 256, crop: 224, interpolation: "bilinear", ...imagenet },
    torchvision: [
      "resnet18-f37072fd",
      "resnet34-b627a593",
      "resnet50-0676ba61",
      "resnet101-63fe2227",
      "resnet152-394f9c45",
      "resnext50_32x4d-7cdf4587",
      "resnext101_32x8d-8ba56ff5",
      "wide_resnet50_2-95faca4d",
      "wide_resnet101_2-32ee1156",
      "resnet18-5c106cde",
      "resnet34-333f7ec4",
      "resnet50-19c8e357",
      "resnet101-5d3b4d8f",
      "resnet152-b121ed2d",
    ],
    timm: {
      "resnet18.tv_in1k": "",
      "resnet34.tv_in1k": "",
      "resnet50.tv_in1k": "",
      "resnet101.tv_in1k": "",
      "resnet152.tv_in1k": "",
      "wide_resnet50_2.tv_in1k": "",
      "wide_resnet101_2.tv_in1k": "",
      "resnext50_32x4d.tv_in1k": "",
      "resnext101_32x8d.tv_in1k": "",
      "resnext101_64x4d.tv_in1k": "",
      "resnext101_32x8d.fb_wsl_ig1b_ft_in1k": "ig_resnext101_32x8-c38310e5",
      "resnet18.fb_ssl_yfcc100m_ft_in1k": "semi_supervised_resnet18-d92f0530",
      "resnet50.fb_ssl_yfcc100m_ft_in1k": "semi_supervised_resnet50-08389792",
      "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k": "semi_supervised_resnext50_32x4-ddb3e555",
      "resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k": "semi_supervised_resnext101_32x8-2cfe2f8b",
      "resnet18.fb_swsl_ig1b_ft_in1k": "semi_weakly_supervised_resnet18-118f1556",
      "resnet50.fb_swsl_ig1b_ft_in1k": "semi_weakly_supervised_resnet50-16a12f1b",
      "resnext50_32x4d.fb_swsl_ig1b_ft_in1k": "semi_weakly_supervised_resnext50_32x4-72679e44",
      "resnext101_32x8d.fb_swsl_ig1b_ft_in1k": "semi_weakly_supervised_resnext101_32x8-b4712904",
    },
  },
  {
    preprocessing: { resize: 232, crop: 224, interpolation: "bilinear", ...imagenet },
    torchvision: [
      "resnet50-11ad3fa6",
      "resnet101-cd907fc2",
      "resnet152-f82ba261",
      "resnext50_32x4d-1a0047aa",
      "resnext101_32x8d-110c445d",
      "resnext101_64x4d-173b62eb",
      "wide_resnet50_2-9ba9bcbe",
      "wide_resnet101_2-d733dc28",
    ],
    timm: {
      "resnet50.tv2_in1k": "",
      "resnet101.tv2_in1k": "",
      "resnet152.tv2_in1k": "",
      "wide_resnet50_2.tv2_in1k": "",
      "wide_resnet101_2.tv2_in1k": "",
      "resnext50_32x4d.tv2_in1k": "",
      "resnext101_32x8d.tv2_in1k": "",
    },
  },
  {
    preprocessing: { resize: 235, crop: 224, interpolation: "bicubic", ...imagenet },
    timm: {
      "resnet10t.c3_in1k": "resnet10t_176_c3-f3215ab1",
      "resnet14t.c3_in1k": "resnet14t_176_c3-c4ed2c37",
      "resnet18.a3_in1k": "resnet18_a3_0-40c531c8",
      "resnet34.a3_in1k": "resnet34_a3_0-a20cabb6",
      "resnet50.a3_in1k": "resnet50_a3_0-59cae1ef",
      "resnet50d.a3_in1k": "resnet50d_a3_0-403fdfad",
      "resnet101.a3_in1k": "resnet101_a3_0-1db14157",
      "resnet152.a3_in1k": "resnet152_a3_0-134d4688",
      "resnext50_32x4d.a3_in1k": "resnext50_32x4d_a3_0-3e450271",
      "seresnet50.a3_in1k": "seresnet50_a3_0-317ecd56",
    },
  },
  {
    preprocessing: { resize: 288, crop: 288, interpolation: "bicubic", ...imagenet },
    timm: {
      "resnet18.a1_in1k": "resnet18_a1_0-d63eafa0",
      "resnet18.a2_in1k": "resnet18_a2_0-b61bd467",
      "resnet34.a1_in1k": "resnet34_a1_0-46f8f793",
      "resnet34.a2_in1k": "resnet34_a2_0-82d47d71",
      "resnet50.a1_in1k": "resnet50_a1_0-14fe96d1",
      "resnet50.a2_in1k": "resnet50_a2_0-a2746f79",
      "resnet50.b1k_in1k": "resnet50_b1k-532a802a",
      "resnet50.b2k_in1k": "resnet50_b2k-1ba180c1",
      "resnet50.c1_in1k": "resnet50_c1-5ba5e060",
      "resnet50.c2_in1k": "resnet50_c2-d01e05b2",
      "resnet50.d_in1k": "resnet50_d-f39db8af",
      "resnet50d.a1_in1k": "resnet50d_a1_0-e20cff14",
      "resnet50d.a2_in1k": "resnet50d_a2_0-a3adc64d",
      "resnet101.a1h_in1k": "resnet101_a1h-36d3f2aa",
      "resnet101.a1_in1k": "resnet101_a1_0-cdcb52a9",
      "resnet101.a2_in1k": "resnet101_a2_0-6edb36c7",
      "resnet152.a1h_in1k": "resnet152_a1h-dc400468",
      "resnet152.a1_in1k": "resnet152_a1_0-2eee8a7a",
      "resnet152.a2_in1k": "resnet152_a2_0-b4c6978f",
      "resnext50_32x4d.a1h_in1k": "resnext50_32x4d_a1h-0146ab0a",
      "resnext50_32x4d.a1_in1k": "resnext50_32x4d_a1_0-b5a91a1d",
      "resnext50_32x4d.a2_in1k": "resnext50_32x4d_a2_0-efc76add",
      "resnext101_64x4d.c1_in1k": "resnext101_64x4d_c-0d0e0cc0",
      "seresnet50.a1_in1k": "seresnet50_a1_0-ffa00869",
      "seresnet50.a2_in1k": "seresnet50_a2_0-850de0d9",
    },
  },
  {
    preprocessing: { resize: 303, crop: 288, interpolation: "bicubic", ...imagenet },
    timm: {
      "resnet34.bt_in1k": "resnet34-43635321",
      "resnet26.bt_in1k": "resnet26-9aa10e23",
      "resnet50.ram_in1k": "resnet50_ram-a26f946b",
      "resnet50.ra_in1k": "resnet50_ra-85ebb6e5",
      "resnet50.bt_in1k": "rw_resnet50-86acaeed",
      "resnet50d.ra2_in1k": "resnet50d_ra2-464e36ba",
      "wide_resnet50_2.racm_in1k": "wide_resnet50_racm-8234f177",
      "resnext50_32x4d.ra_in1k": "resnext50_32x4d_ra-d733960d",
      "seresnet50.ra2_in1k": "seresnet50_ra_224-8efdb4bb",
      "seresnext50_32x4d.racm_in1k": "seresnext50_32x4d_racm-a304a460",
    },
  },
  {
    preprocessing: { resize: 288, crop: 288, interpolation: "bicubic", ...halves },
    timm: {
      "resnet34.ra4_e3600_r224_in1k": "",
      "resnet50d.ra4_e3600_r224_in1k": "",
    },
  },
  {
    preprocessing: { resize: 224, crop: 224, interpolation: "bicubic", ...imagenet },
    timm: {
      "resnet50.a1h_in1k": "resnet50_a1h2_176-001a1197",
    },
  },
  {
    preprocessing: { resize: 256, crop: 224, interpolation: "bicubic", ...imagenet },
    timm: {
      "resnet50.am_in1k": "resnet50_am-6c502b37",
      "resnet18.gluon_in1k": "gluon_resnet18_v1b-0757602b",
      "resnet34.gluon_in1k": "gluon_resnet34_v1b-c6d82d59",
      "resnet50.gluon_in1k": "gluon_resnet50_v1b-0ebe02e2",
      "resnet101.gluon_in1k": "gluon_resnet101_v1b-3b017079",
      "resnet152.gluon_in1k": "gluon_resnet152_v1b-c1edb0dd",
      "resnet50d.gluon_in1k": "gluon_resnet50_v1d-818a1b1b",
      "resnext50_32x4d.gluon_in1k": "gluon_resnext50_32x4d-e6a097c1",
      "resnext101_64x4d.gluon_in1k": "gluon_resnext101_64x4d-f9a8e184",
      "seresnext50_32x4d.gluon_in1k": "gluon_seresnext50_32x4d-90cf2d6e",
    },
  },
  {
    preprocessing: { resize: 320, crop: 320, interpolation: "bicubic", ...imagenet },
    timm: {
      "resnet200d.ra2_in1k": "resnet200d_ra2-bdba9bf9",
    },
  },
];

/** What is known of weights by a name: `resnet50-11ad3fa6`, `resnet50.a1_in1k` or `resnet50_a1_0-14fe96d1`. */
export interface Published {
  readonly model: string;
  readonly preprocessing: Preprocessing;
}

const published: ReadonlyMap<string, Published> = new Map(
  recipes.flatMap(({ preprocessing, torchvision = [], timm = {} }) => [
    ...torchvision.map((file) => [file, { model: file.replace(/-[^-]*$/, ""), preprocessing }] as const),
    ...Object.entries(timm).flatMap(([name, file]) => {
      const known = { model: name.replace(/\..*$/, ""), preprocessing };
      return [[name, known] as const, ...(file === "" ? [] : [[file, known] as const])];
    }),
  ]),
);

export function publishedAs(name: string): Published | undefined {
  return published.get(name);
}
