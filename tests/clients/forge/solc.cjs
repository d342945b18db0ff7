// Compiles the standard JSON of its input. npm's own command prints a notice before its answer.
const { readFileSync } = require('node:fs')
const solc = require('solc')

process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
