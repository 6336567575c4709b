// The upload offers agents and numbers of the chosen workspace only.
"use strict";

django.jQuery(($) => {
  $.ajaxPrefilter((options) => {
    const workspace = document.getElementById("id_workspace").value;
    if (workspace && options.url.includes("/upload/offers/")) {
      options.data = `${options.data ?? ""}&workspace=${encodeURIComponent(workspace)}`;
    }
  });
  $("#id_workspace").on("change", () => {
    $("#id_agent, #id_phone_number").val(null).trigger("change");
  });
});
