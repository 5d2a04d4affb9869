import { errorCode } from "../../spec/error_facts.ts";
import { ExtractError, type ExtractPlace } from "../errors.ts";
import { describeCause } from "../linux/native_error.ts";
import type { TarHeader } from "../tar/tar_header.ts";
import type { TreeEntry } from "../trees/file_tree.ts";
import { DEFAULT_ACL, isOverlayXattr, SELINUX_XATTR } from "../trees/host_xattrs.ts";
import type { ReportBuilder } from "./extract_report.ts";
import { mapXattr } from "./mapped_xattr.ts";
import {
  encodeOwner,
  type Ownership,
  ROOTLESS_XATTR,
  setImpliedOwner,
  setOwner,
} from "./ownership.ts";

/** Handling of extended attributes: set where possible, ignore, or fail if one cannot be set. */
export type XattrMode = "on" | "off" | "strict";

/** Sets the metadata of entries. */
export class EntryMetadata {
  readonly #ownership: Ownership;
  readonly #xattrs: XattrMode;
  readonly #report: ReportBuilder;
  readonly #setsOverlay: boolean;

  constructor(
    ownership: Ownership,
    xattrs: XattrMode,
    report: ReportBuilder,
    setOverlay: boolean,
  ) {
    this.#ownership = ownership;
    this.#xattrs = xattrs;
    this.#report = report;
    this.#setsOverlay = setOverlay;
  }

  /** Sets all metadata, in an order that keeps later steps from undoing earlier ones. */
  set(entry: TreeEntry, header: TarHeader, place: ExtractPlace): void {
    // Changing the owner clears set-user-ID and capabilities, so it comes first. The mode may
    // remove the permission to set attributes, so it comes after them.
    setOwner(entry, header, this.#ownership, place);
    this.#setXattrs(entry, header, place);
    if (header.type !== "symlink") entry.setMode(header.mode);
    entry.setTimes(header.mtime, header.mtimeNs);
  }

  /** Sets the metadata of a new directory. Its mode and times are set at the end. */
  setDirectory(entry: TreeEntry, header: TarHeader, place: ExtractPlace): void {
    setOwner(entry, header, this.#ownership, place);
    this.#setXattrs(entry, header, place);
  }

  setImpliedOwner(entry: TreeEntry, path: string): void {
    setImpliedOwner(entry, path, this.#ownership);
  }

  setDefaultAcl(entry: TreeEntry, value: Uint8Array, path: string): void {
    this.#setXattr(entry, DEFAULT_ACL, value, { path, offset: 0 });
  }

  #setXattrs(entry: TreeEntry, header: TarHeader, place: ExtractPlace): void {
    if (this.#ownership === "record") {
      const value = encodeOwner(header);
      if (value.length > 0) this.#setXattr(entry, ROOTLESS_XATTR, value, place);
    }
    if (this.#xattrs === "off" || header.xattrs.size === 0) return;
    for (const [name, value] of header.xattrs) {
      if (name === SELINUX_XATTR || name === DEFAULT_ACL && header.type === "directory") continue;
      if (name === ROOTLESS_XATTR && this.#ownership === "record") continue;
      if (!this.#setsOverlay && isOverlayXattr(name)) {
        this.#report.skip(
          header.path,
          `extended attribute "${name}": the overlay file system would interpret it`,
        );
        continue;
      }
      this.#setXattr(entry, name, value, place);
    }
  }

  /**
   * Removes the attributes of an existing directory that has an entry in the layer. Those of the
   * overlay file system stay if no entry can set them: they are whiteouts.
   */
  clearXattrs(entry: TreeEntry): void {
    for (const name of entry.listXattrs()) {
      if (name === SELINUX_XATTR || !this.#setsOverlay && isOverlayXattr(name)) continue;
      try {
        entry.removeXattr(name);
      } catch (error) {
        // The process could not set such attributes either.
        if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      }
    }
  }

  #setXattr(entry: TreeEntry, name: string, value: Uint8Array, place: ExtractPlace): void {
    const ownership = this.#ownership;
    const mapped = typeof ownership === "string" ? value : mapXattr(name, value, ownership);
    if (mapped === undefined) {
      return this.#refuseXattr(name, "it has an ID that no range contains", place);
    }
    try {
      entry.setXattr(name, mapped);
    } catch (cause) {
      if (errorCode(cause) === undefined) throw cause;
      this.#refuseXattr(name, describeCause(cause as Error), place, cause);
    }
  }

  #refuseXattr(name: string, problem: string, place: ExtractPlace, cause?: unknown): void {
    const reason = `extended attribute "${name}": ${problem}`;
    if (this.#xattrs === "strict") {
      throw new ExtractError(place, reason, { cause, option: "xattrs" });
    }
    this.#report.skip(place.path, reason);
  }
}
