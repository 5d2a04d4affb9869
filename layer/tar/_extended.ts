import { LimitError } from "../../spec/errors.ts";
import { parsePax, type PaxRecords } from "./_pax.ts";
import type { Extensions } from "./_tar_entry.ts";
import { decodeName } from "../file_name.ts";
import { TarError } from "./tar_error.ts";
import type { AllTarLimits } from "./tar_limits.ts";

/** Types of headers whose body describes what follows. `X` is Solaris' older `x`. */
const EXTENDED: ReadonlySet<string> = new Set(["x", "X", "g", "L", "K"]);

/** Whether a type flag is that of an extended header. */
export function isExtended(flag: string): boolean {
  return EXTENDED.has(flag);
}

/** Collects what extended headers say of the next entry, and of all that follow. */
export class ExtendedHeaders {
  readonly #max: number;
  readonly #maxGlobal: number;
  #offset = 0;
  #flag = "";
  #body: Uint8Array = new Uint8Array();
  #filled = 0;

  #first: number | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;
  #local: PaxRecords | undefined;
  #global: ReadonlyMap<string, Uint8Array> = new Map();

  /** Starts with nothing said. */
  constructor(limits: AllTarLimits) {
    this.#max = limits.maxExtendedHeaderBytes;
    this.#maxGlobal = limits.maxGlobalRecords;
  }

  /** Where the first header begins that waits for its entry, or `undefined` if none does. */
  get pending(): number | undefined {
    return this.#first;
  }

  /**
   * Begins a header.
   *
   * @param offset Where it begins in the archive.
   * @param flag Its type.
   * @param size Size of its body.
   * @throws {LimitError} If the body is too large; nothing was allocated for it.
   */
  begin(offset: number, flag: string, size: number): void {
    if (size > this.#max) throw this.#tooLarge(size, offset);
    this.#offset = offset;
    this.#flag = flag;
    this.#body = new Uint8Array(size);
    this.#filled = 0;
    if (flag !== "g") this.#first ??= offset;
  }

  /** Takes bytes of the body. */
  write(bytes: Uint8Array): void {
    this.#body.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  /**
   * Reads the complete body. The last of several headers of a type counts, as in GNU's and
   * Go's readers.
   *
   * @throws {TarError} If it is damaged.
   */
  end(): void {
    if (this.#flag === "L") this.#longName = this.#text();
    else if (this.#flag === "K") this.#longLink = this.#text();
    else if (this.#flag === "g") this.#endGlobal();
    else this.#local = parsePax(this.#body, this.#offset);
    this.#body = new Uint8Array();
  }

  /** What the next entry is to know; what was said of it alone is forgotten. */
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
    // Entries that were told of the old ones may still be held.
    const global = new Map(this.#global);
    for (const [key, value] of parsePax(this.#body, this.#offset)) {
      // POSIX lets them be global, no program writes that, and readers differ: what one takes
      // for content another would take for headers.
      if (key === "size" || key.startsWith("GNU.sparse.")) {
        const state = `its global record "${key}" would change the size of every entry`;
        throw new TarError(state, { offset: this.#offset });
      }
      if (value.length === 0) global.delete(key);
      else global.set(key, value.slice());
    }
    this.#checkGlobal(global);
    this.#global = global;
  }

  #checkGlobal(global: PaxRecords): void {
    const { size } = global;
    if (size > this.#maxGlobal) {
      const subject = `the tar header at byte ${this.#offset}`;
      throw new LimitError("records", this.#maxGlobal, size, subject, "maxGlobalRecords");
    }
    let bytes = 0;
    for (const [key, value] of global) bytes += key.length + value.length;
    if (bytes > this.#max) throw this.#tooLarge(bytes, this.#offset);
  }

  #tooLarge(size: number, offset: number): LimitError {
    const subject = `the tar header at byte ${offset}`;
    const option = "maxExtendedHeaderBytes";
    return new LimitError("bytes in an extended header", this.#max, size, subject, option);
  }
}
