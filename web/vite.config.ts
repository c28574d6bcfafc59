import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

// Two pages, each its own bundle: the desk must load even where the portal is broken. The server serves desk.html at
// /desk and portal.html at /portal; what they share lies under /assets with hashes in the names. Everything is a file
// of its own: the Content-Security-Policy allows no inline script, no inline style and no data: URL for fonts.
export default defineConfig({
  plugins: [svelte(), svelteTesting()],
  base: '/',
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    rollupOptions: { input: { desk: 'desk.html', portal: 'portal.html' } },
  },
  server: {
    proxy: {
      '/api': 'http://127.0.0.1:8080',
      '/desk/socket': { target: 'http://127.0.0.1:8080', ws: true, changeOrigin: false },
      '/portal/socket': { target: 'http://127.0.0.1:8080', ws: true, changeOrigin: false },
    },
  },
  test: {
    environment: 'jsdom', // a test that needs no page begins with: // @vitest-environment node
    maxWorkers: '100%',
    include: ['{calls,ui,desk,portal}/**/*.test.ts'],
    setupFiles: [],
  },
});
