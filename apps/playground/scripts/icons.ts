import { fileURLToPath } from "node:url";
import sharp from "sharp";

// Writes the icons of the installed page: the mark on the dark ground, within the circle that systems may cut out.
// Run again when the mark changes: node scripts/icons.ts

const mark = `
  <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" fill="none" stroke-linecap="round" stroke-width="4">
    <rect width="64" height="64" fill="#0f0d14"/>
    <path stroke="#8b8796" d="M24 18v28"/>
    <path stroke="#ff9a62" d="M24 18c24 0 24 28 0 28"/>
  </svg>`;

for (const size of [192, 512]) {
  const file = fileURLToPath(new URL(`../public/icon-${size}.png`, import.meta.url));
  await sharp(Buffer.from(mark), { density: (72 * size) / 64 })
    .resize(size)
    .png({ palette: true })
    .toFile(file);
}
