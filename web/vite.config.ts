import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vitest/config'

/** The text font is asked for with the page, so that it is there for the first paint and nothing moves. */
function preloadedFont(name: RegExp): Plugin {
  return {
    name: 'quire-preloaded-font',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler: (_html, context) => {
        const file = Object.keys(context.bundle ?? {}).find((each) => name.test(each))
        if (!file) throw new Error(`the build has no font named like ${name}`)
        const attrs = { rel: 'preload', as: 'font', type: 'font/woff2', href: `/${file}`, crossorigin: '' }
        return [{ tag: 'link', attrs, injectTo: 'head-prepend' }]
      },
    },
  }
}

/** Where `npm run dev` finds the API. */
const api = process.env.QUIRE_URL ?? 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [react(), preloadedFont(/newsreader-latin-wght-normal.*\.woff2$/)],
  server: { port: 5173, proxy: { '/v1': api, '/docs': api, '/health': api } },
  // Inlined files would be data: URLs, which the Content-Security-Policy does not let in.
  build: {
    assetsInlineLimit: 0,
    target: 'es2022',
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // What every page needs is one file: cut into many it would be larger, and one more thing to wait for.
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: 'base', test: /node_modules|src\/(api|cart|session|kept|i18n|messages\/en\.ts|ui\/(page|missing|books))/ }] } },
    },
  },
  test: { environment: 'jsdom', include: ['src/**/*.test.ts', 'src/**/*.test.tsx'] },
})
