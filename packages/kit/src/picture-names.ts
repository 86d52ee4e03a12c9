/** File extensions that decodeImage reads; a file given by name may have any. */
const PICTURE = /\.(jpe?g|jfif|png|webp|gif|tiff?|bmp|pnm|pbm|pgm|ppm)$/i;

/** File extensions of pictures that it does not read. */
const UNREAD = /\.(avif|hei[cf]|jxl|jp2|svg|ico|psd)$/i;

/** Folders that systems and programs create next to pictures: thumbnails, metadata, deleted files. */
const JUNK = new Set(["__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"]);

/** Whether a file is called a picture, of a format that is read. */
export const isPictureName = (name: string): boolean => PICTURE.test(name);

/** Whether a file is called a picture, of a format that is not read. */
export const isUnreadPictureName = (name: string): boolean => UNREAD.test(name);

/** Whether a folder or file is skipped: it is hidden, such as `.ipynb_checkpoints`, or belongs to the system. */
export const isPassedOver = (name: string): boolean => name.startsWith(".") || JUNK.has(name);
