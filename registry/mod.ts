export * from "./image_client.ts";
export * from "./reference.ts";
export * from "./registry_content.ts";
