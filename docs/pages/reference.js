// Starts swagger-ui on the contract of the service that the page comes from. What is a file and not a line in the page
// needs no exception in the Content-Security-Policy, which also keeps all requests here.
'use strict';

// An example would be put into the field, and sent. What need not be given is better not given: a list would be
// filtered, a read answered with 304, and an idempotency key used for one thing after another.
function withoutPrefilled(contract) {
  const parameters = [
    ...Object.values(contract.components?.parameters ?? {}),
    ...Object.values(contract.paths ?? {}).flatMap((path) => Object.values(path).flatMap((part) =>
      Array.isArray(part) ? part : part?.parameters ?? [])),
  ];
  for (const parameter of parameters)
    if (!parameter.required)
      delete parameter.example;
  return contract;
}

const plugin = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (original) => (contract) => original(withoutPrefilled(contract)),
      },
    },
  },
});

SwaggerUIBundle({
  dom_id: '#reference',
  url: '/openapi.json',
  layout: 'BaseLayout',
  plugins: [plugin],
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,            // by default, a service of others is asked whether the contract is valid
  queryConfigEnabled: false,     // the address of the page cannot lead it to another contract
  persistAuthorization: false,   // a token is forgotten with the page
  withCredentials: false,
});
