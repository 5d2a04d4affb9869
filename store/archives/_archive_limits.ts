/** Maximum number of entries of an archive: room for a thousand images of a hundred layers each. */
export const MAX_ARCHIVE_ENTRIES = 100_000;
/** Maximum number of images, and of names, that an archive lists. */
export const MAX_LISTED_IMAGES = 65_536;
/** Maximum size of `index.json` and `manifest.json`, which list the images. */
export const MAX_TABLE_BYTES: number = 16 * 1024 * 1024;
