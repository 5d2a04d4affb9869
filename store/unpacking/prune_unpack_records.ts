import { OciError } from "../../spec/errors.ts";
import { tryLockFile } from "../host/file_lock.ts";
import { lstatIfAny, namesIn, removeIfAny } from "../host/files.ts";
import { isRefusedWrite } from "../host/system_error.ts";
import { readUnpackRecord, RECORD_PREFIX } from "./_unpack_record.ts";
import { renamedWork, WORK } from "./_work_directory.ts";

/**
 * Removes records of killed processes that have no leftovers any more, because the directory was
 * removed, or unpacked into again with another store.
 */
export async function pruneUnpackRecords(store: string): Promise<void> {
  for (const name of namesIn(`${store}/locks`)) {
    const path = `${store}/locks/${name}`;
    if (!name.startsWith(RECORD_PREFIX) || hasLeftover(path)) continue;
    using lock = await tryLockFile(path);
    // Another process is unpacking, or has just begun.
    if (lock === undefined || hasLeftover(path)) continue;
    removeIfAny(path);
  }
}

/** Whether the work directory of a record exists, or may exist. */
function hasLeftover(path: string): boolean {
  try {
    const record = readUnpackRecord(path);
    if (record === undefined) return false;
    const { target, id } = record;
    return [WORK, renamedWork(id)].some((name) => lstatIfAny(`${target}/${name}`) !== undefined);
  } catch (error) {
    // The record is another user's or damaged, or the directory is inaccessible.
    if (error instanceof OciError || isRefusedWrite(error)) return true;
    throw error;
  }
}
