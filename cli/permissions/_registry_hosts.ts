/** Hosts that a registry sends its clients to: token servers and blob storage. */
interface RegistryHosts {
  /** Pattern for the name of the registry. */
  readonly registry: RegExp;
  readonly hosts: readonly string[];
}

const KNOWN: readonly RegistryHosts[] = [
  {
    registry: /^docker\.io$/,
    hosts: [
      "registry-1.docker.io",
      "auth.docker.io",
      "production.cloudflare.docker.com",
      "production.cloudfront.docker.com",
      "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
    ],
  },
  { registry: /^ghcr\.io$/, hosts: ["ghcr.io", "pkg-containers.githubusercontent.com"] },
  { registry: /^quay\.io$/, hosts: ["quay.io", "*.quay.io"] },
  { registry: /^(?:[a-z]+\.)?gcr\.io$/, hosts: ["storage.googleapis.com"] },
  { registry: /^registry\.k8s\.io$/, hosts: ["*.pkg.dev", "*.amazonaws.com"] },
  { registry: /^mcr\.microsoft\.com$/, hosts: ["*.data.mcr.microsoft.com"] },
  { registry: /^public\.ecr\.aws$/, hosts: ["*.cloudfront.net"] },
  { registry: /\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com$/, hosts: ["*.amazonaws.com"] },
  { registry: /\.azurecr\.io$/, hosts: ["*.data.azurecr.io", "*.blob.core.windows.net"] },
  {
    registry: /^registry\.gitlab\.com$/,
    hosts: ["gitlab.com", "cdn.registry.gitlab-static.net", "storage.googleapis.com"],
  },
  { registry: /^registry\.access\.redhat\.com$/, hosts: ["*.quay.io", "*.redhat.com"] },
  { registry: /^registry\.redhat\.io$/, hosts: ["*.quay.io", "*.redhat.com", "*.redhat.io"] },
];

/** Name of Docker Hub, which is not the host of its registry. */
const NAME_ONLY = /^docker\.io$/;

/**
 * Returns the known hosts that a pull from a registry connects to: the registry itself and, for
 * large public registries, the hosts that they send their clients to.
 */
export function registryHosts(registry: string): readonly string[] {
  const known = KNOWN.flatMap(({ registry: name, hosts }) => name.test(registry) ? hosts : []);
  return NAME_ONLY.test(registry) ? known : [...new Set([registry, ...known])];
}
