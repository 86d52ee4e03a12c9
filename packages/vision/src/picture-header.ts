/** The size of a picture, and how it stands by its EXIF data: 1 where nothing is said. */
export interface PictureHeader {
  readonly width: number;
  readonly height: number;
  readonly orientation: number;
}
