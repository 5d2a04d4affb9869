export * from "./image_client.ts";
export * from "./reference.ts";
export * from "./registry_content.ts";
export * from "./server.ts";
export * from "./server_basic_auth.ts";
export * from "./server_handler.ts";
