// Of several forms of one body it takes the JSON; a list that is uploaded is the other.
export default {
  input: "./openapi.json",
  output: "hey_api",
  parser: {
    patch: {
      input: (document) => delete document.paths["/batches"].post.requestBody.content["application/json"],
    },
  },
};
