/** Lines on a 20 × 20 grid, drawn for this page. */
const paths = {
  alert: "M10 3 18 17H2ZM10 8v4M10 14.4v.1",
  camera: "M2 6.5h3.5L7 4.5h6l1.5 2H18v9.5H2ZM10 13.8a3 3 0 1 0 0-6 3 3 0 0 0 0 6",
  check: "m4 10.5 4 4 8-9",
  chevron: "m6 8 4 4 4-4",
  close: "m5 5 10 10M15 5 5 15",
  download: "M10 3v10m-4-4 4 4 4-4M3 17h14",
  info: "M10 18a8 8 0 1 0 0-16 8 8 0 0 0 0 16M10 9v5M10 6v.1",
  layers: "m10 3 8 4-8 4-8-4ZM2 11l8 4 8-4",
  moon: "M16.5 12A7 7 0 0 1 8 3.5 7 7 0 1 0 16.5 12",
  picture: "M3 4h14v12H3ZM3 13l4-4 4 4 2.5-2.5L17 14M13 7.4v.1",
  refresh: "M16 10a6 6 0 1 1-1.8-4.2M16 3v3.5h-3.5",
  search: "M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11m4-1.5 4 4",
  stop: "M5 5h10v10H5Z",
  sun:
    "M10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2" +
    "M4 4l1.4 1.4M14.6 14.6 16 16M16 4l-1.4 1.4M5.4 14.6 4 16",
  system: "M2.5 4h15v10h-15ZM7 17.5h6M10 14v3",
  upload: "M10 14V4m-4 4 4-4 4 4M3 17h14",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 20 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path
        d={paths[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
