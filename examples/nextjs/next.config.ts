import type { NextConfig } from "next";

export default {
  poweredByHeader: false,
  reactStrictMode: true,
  // Here ends what the bundler may read: the repository around it has lock files of its own.
  turbopack: { root: import.meta.dirname },
  // `npm run types` checks them, with a stricter and quicker compiler.
  typescript: { ignoreBuildErrors: true },
} satisfies NextConfig;
