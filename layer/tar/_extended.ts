import { LimitError } from "../../spec/errors.ts";
import { decodeName } from "../file_name.ts";
import { parsePax, type PaxRecords } from "./_pax.ts";
import type { Extensions } from "./_tar_entry.ts";
import { TarError } from "./tar_error.ts";
import type { AllTarLimits } from "./tar_limits.ts";

/** Type flags of headers that describe the entries after them. `X` is the older `x` of Solaris. */
const EXTENDED: ReadonlySet<string> = new Set(["x", "X", "g", "L", "K"]);

/** Whether a type flag marks an extended header. */
export function isExtended(flag: string): boolean {
  return EXTENDED.has(flag);
}

/** Collects extended headers for the next entry and for all following entries. */
export class ExtendedHeaders {
  readonly #max: number;
  readonly #maxGlobal: Pick<AllTarLimits, "maxGlobalRecords" | "maxGlobalBytes">;
  #offset = 0;
  #flag = "";
  #body: Uint8Array = new Uint8Array();
  #filled = 0;

  #first: number | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;
  #local: PaxRecords | undefined;
  #global: ReadonlyMap<string, Uint8Array> = new Map();

  constructor(limits: AllTarLimits) {
    this.#max = limits.maxExtendedHeaderBytes;
    this.#maxGlobal = limits;
  }

  /** Offset of the first header whose entry has not come yet; `undefined` if there is none. */
  get pending(): number | undefined {
    return this.#first;
  }

  /**
   * Begins a header.
   *
   * @param offset Offset in the archive.
   * @param flag Type flag.
   * @param size Size of the body.
   * @throws {LimitError} If the body is too large, before memory is allocated for it.
   */
  begin(offset: number, flag: string, size: number): void {
    if (size > this.#max) throw this.#tooLarge(size, offset);
    this.#offset = offset;
    this.#flag = flag;
    this.#body = new Uint8Array(size);
    this.#filled = 0;
    if (flag !== "g") this.#first ??= offset;
  }

  /** Appends bytes of the body. */
  write(bytes: Uint8Array): void {
    this.#body.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  /**
   * Parses the complete body. If there are several headers of one type, the last one wins, as in
   * GNU tar and Go.
   *
   * @throws {TarError} If the body is damaged.
   */
  end(): void {
    if (this.#flag === "L") this.#longName = this.#text();
    else if (this.#flag === "K") this.#longLink = this.#text();
    else if (this.#flag === "g") this.#endGlobal();
    else this.#local = parsePax(this.#body, this.#offset);
    this.#body = new Uint8Array();
  }

  /** Returns the extensions of the next entry, and clears those that apply to it only. */
  take(offset: number): Extensions {
    const extensions = {
      offset: this.#first ?? offset,
      longName: this.#longName,
      longLink: this.#longLink,
      local: this.#local,
      global: this.#global,
    };
    this.#first = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#local = undefined;
    return extensions;
  }

  #text(): string {
    const end = this.#body.indexOf(0);
    return decodeName(end < 0 ? this.#body : this.#body.subarray(0, end));
  }

  #endGlobal(): void {
    // Earlier entries still refer to the old map.
    const global = new Map(this.#global);
    for (const [key, value] of parsePax(this.#body, this.#offset)) {
      // POSIX allows these as global records, but no program writes them and readers differ: one
      // would read content where another reads headers.
      if (key === "size" || key.startsWith("GNU.sparse.")) {
        const state = `its global record "${key}" would change the size of every entry`;
        throw new TarError(state, { offset: this.#offset });
      }
      // Readers in Go, which most tools for images use, ignore a name that applies to every entry.
      if (key === "path" || key === "linkpath") continue;
      if (value.length === 0) global.delete(key);
      else global.set(key, value.slice());
    }
    this.#checkGlobal(global);
    this.#global = global;
  }

  #checkGlobal(global: PaxRecords): void {
    const { maxGlobalRecords, maxGlobalBytes } = this.#maxGlobal;
    const { size } = global;
    const subject = `the tar header at byte ${this.#offset}`;
    if (size > maxGlobalRecords) {
      throw new LimitError("records", maxGlobalRecords, size, subject, "maxGlobalRecords");
    }
    let bytes = 0;
    for (const [key, value] of global) bytes += key.length + value.length;
    if (bytes > maxGlobalBytes) {
      const limit = "bytes in global records";
      throw new LimitError(limit, maxGlobalBytes, bytes, subject, "maxGlobalBytes");
    }
  }

  #tooLarge(size: number, offset: number): LimitError {
    const subject = `the tar header at byte ${offset}`;
    const option = "maxExtendedHeaderBytes";
    return new LimitError("bytes in an extended header", this.#max, size, subject, option);
  }
}
