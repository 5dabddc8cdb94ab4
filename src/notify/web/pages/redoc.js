Redoc.init("/openapi.json", { hideDownloadButton: false, disableSearch: true }, document.getElementById("docs"));
