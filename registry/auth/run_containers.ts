/** Start of the path where podman keeps logins without `XDG_RUNTIME_DIR`. */
export const RUN_CONTAINERS = "/run/containers/";
