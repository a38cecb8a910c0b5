/** Takes CloudEvents: `elafros invoke` sends one. */
const functions = require("@google-cloud/functions-framework");

functions.cloudEvent("onOrder", (event) => {
  console.log(
    `Order ${event.data?.id ?? "without an id"} (event ${event.id} of type ${event.type} from ${event.source})`,
  );
});
