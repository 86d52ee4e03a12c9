#!/usr/bin/env node
console.log("hi", process.cwd(), process.env.INIT_CWD, process.version, process.argv.slice(2));
