const { ipcRenderer } = require("electron");

/** Hands the page its end of the channel to the classifier, each time that the process starts. */
ipcRenderer.on("classifier", ({ ports }) => window.postMessage("classifier", "*", [...ports]));
