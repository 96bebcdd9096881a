async function r(t){return t.readyState||await new Promise(e=>{t.addEventListener("loadedmetadata",e,{once:!0}),setTimeout(e,1e3)}),t.requestPictureInPicture()}export{r as requestPictureInPicture};
