import { type Digest, isDigest } from "../../spec/digest.ts";
import { isObject } from "../../spec/json.ts";
import type { BundleKind } from "../bundle.ts";

/**
 * A mount that a bundle has or is about to have. An absent property is unknown and matches any
 * value.
 */
export interface BundleMount {
  /** Path of the mount point in the bundle's directory. */
  readonly target: string;
  /** Type of file system. */
  readonly type?: string | undefined;
  /** Source, as in the mount table. */
  readonly source?: string | undefined;
  /** Device number, as in the mount table. */
  readonly device?: string | undefined;
}

/**
 * Phase of a bundle: `"claimed"`, once its directory may have the mark; `"making"`, while its files
 * are created; `"complete"`; or `"removal"`. A bundle that is neither complete nor locked by a
 * process is dead.
 */
export type BundlePhase = "claimed" | "making" | "complete" | "removal";

export interface BundleRecord {
  /** Random ID of the bundle, which is also the target of the mark in its directory. */
  readonly id: string;
  readonly phase: BundlePhase;
  /** Its directory, as an absolute path without symlinks. */
  readonly path: string;
  /** Inode number of the parent directory of the bundle. */
  readonly parentInode: number | null;
  /** Inode number of the bundle's directory; `null` if it is unknown. */
  readonly inode: number | null;
  /** Whether the bundle's directory was created for it. */
  readonly isDirectoryNew: boolean;
  /** Whether the bundle is removed when the process that made it ends. */
  readonly isTemporary: boolean;
  /** Method by which the root file system is made. */
  readonly kind: BundleKind;
  readonly image: Digest;
  /** Names of the extracted layers that are mounted. */
  readonly layers: readonly string[];
  /** Mounts in the directory, in the order of mounting. */
  readonly mounts: readonly BundleMount[];
}

/** Whether a bundle stays until its user removes it. */
export function isKept({ phase, isTemporary }: BundleRecord): boolean {
  return phase === "complete" && !isTemporary;
}

/** Returns the source of a bundle's mount, which no other mount has. */
export function mountSource(id: string): string {
  return `oci-${id}`;
}

const VERSION = 1;
const PHASES: readonly string[] = ["claimed", "making", "complete", "removal"];
const KINDS: readonly string[] = ["overlay", "fuse-overlayfs", "uncompressed"];
/** The names of mount points in a bundle. */
const TARGET = /^[a-z]+(\/[a-z]+)?$/;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether a text is the random ID of a record, and thus also a safe file name. */
export function isRecordId(text: string): boolean {
  return ID.test(text);
}

export function formatBundleRecord(record: BundleRecord): string {
  return `${JSON.stringify({ version: VERSION, ...record })}\n`;
}

/** Parses a record; `undefined` if the value is not a record of this version. */
export function parseBundleRecord(
  { version, ...record }: Readonly<Record<string, unknown>>,
): BundleRecord | undefined {
  return version === VERSION && isBundleRecord(record) ? record : undefined;
}

function isBundleRecord(
  value: Readonly<Record<string, unknown>>,
): value is Readonly<Record<string, unknown>> & BundleRecord {
  const { id, phase, path, parentInode, inode, isDirectoryNew, isTemporary } = value;
  const { kind, image, layers, mounts } = value;
  return isText(id) && isRecordId(id) && isText(phase) && PHASES.includes(phase) &&
    isText(path) && path !== "" && isInode(parentInode) && isInode(inode) &&
    typeof isDirectoryNew === "boolean" && typeof isTemporary === "boolean" && isText(kind) &&
    KINDS.includes(kind) && isDigest(image) && Array.isArray(layers) && layers.every(isText) &&
    Array.isArray(mounts) && mounts.every(isMount);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isInode(value: unknown): value is number | null {
  return value === null || typeof value === "number";
}

function isMount(value: unknown): value is BundleMount {
  if (!isObject(value)) return false;
  const { target, type, source, device } = value;
  return isText(target) && TARGET.test(target) &&
    [type, source, device].every((text) => text === undefined || isText(text));
}
