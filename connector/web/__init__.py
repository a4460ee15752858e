"""What the connector answers over HTTP: health, webhooks, and what people see."""
