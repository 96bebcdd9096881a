import "berrymse";

document.querySelector("berry-video").src = new URLSearchParams(location.search).get("camera");
