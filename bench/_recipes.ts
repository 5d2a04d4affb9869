/** Recipe for an image to measure with. */
export interface Recipe {
  readonly name: string;
  readonly title: string;
  readonly content: Content;
}

/**
 * Content of an image: a root file system of Debian; files of this machine's `/usr`, which compress
 * like real images; small text files; or random bytes, the same number in each layer.
 */
export type Content =
  | { readonly kind: "debian" }
  | {
    readonly kind: "usr";
    readonly bytes: number;
    readonly layers: number;
    /** Takes files from all of `/usr`, so that images of any size have a similar mix of files. */
    readonly scattered?: boolean;
  }
  | { readonly kind: "files"; readonly count: number }
  | { readonly kind: "noise"; readonly bytes: number; readonly layers: number };

/** Returns a recipe for layers of files from `/usr`. */
export function usrImage(name: string, title: string, bytes: number, layers: number): Recipe {
  return { name, title, content: { kind: "usr", bytes, layers } };
}

/** Images for comparisons with other tools. */
export const CASES: readonly Recipe[] = [
  { name: "debian", title: "Debian, one layer", content: { kind: "debian" } },
  usrImage("four", "700 MB in four layers", 700e6, 4),
  usrImage("one", "1 GB in one layer", 1e9, 1),
  { name: "small", title: "100,000 small files", content: { kind: "files", count: 100_000 } },
  usrImage("hundred", "200 MB in 100 layers", 200e6, 100),
];

/** An image whose bytes, entries or layers are multiplied by `factor`. */
export interface Growth {
  readonly name: string;
  readonly title: string;
  readonly content: (factor: number) => Content;
}

/** Ways in which images grow. */
export const GROWTHS: readonly Growth[] = [
  {
    name: "bytes",
    title: "100 MB in one layer",
    content: (factor) => ({ kind: "usr", bytes: 100e6 * factor, layers: 1, scattered: true }),
  },
  {
    name: "entries",
    title: "20,000 small files",
    content: (factor) => ({ kind: "files", count: 20_000 * factor }),
  },
  {
    name: "layers",
    title: "12 layers of 4 MB",
    content: (factor) => ({ kind: "usr", bytes: 48e6 * factor, layers: 12 * factor }),
  },
];
