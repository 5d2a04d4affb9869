export * from "./tar_header.ts";
